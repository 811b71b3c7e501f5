%% verify_funs for rustls_dist_verify_fun_SUITE; the nodes that it starts have this module in their code path.
-module(rustls_dist_verdicts).

-export([record/3, record/4, calls/1]).
-export([as_otp/3, trust_all/3, whitelist/3, refuse_peer/3, extensions/3, by_peer_answer/3]).
-export([as_file_says/3]).
-export([crash/3, throw/3, rubbish/3, unknown_fault/3, kill/3, leave/3, hang/3]).

-include_lib("public_key/include/public_key.hrl").

%% Appends each call to the file, with what came before it: the state is {File, Calls so far}. Accepts what OTP accepts.
record(Cert, Event, {File, Before}) ->
    Call = {Before, common_name(Cert), brief(Event)},
    ok = file:write_file(File, [base64:encode(term_to_binary(Call)), "\n"], [append]),
    as_otp(Cert, Event, {File, Before + 1}).

%% The same for a fun of four arguments, if the DER is the certificate's.
record(Cert, Der, Event, State) ->
    Cert = public_key:pkix_decode_cert(Der, otp),
    record(Cert, Event, State).

%% The calls in a file, in order: {State's number, Common name, Event}.
-spec calls(file:filename()) -> [{non_neg_integer(), string(), term()}].
calls(File) ->
    case file:read_file(File) of
        {ok, Lines} -> [binary_to_term(base64:decode(Line)) || Line <- binary:split(Lines, <<"\n">>, [global, trim])];
        {error, enoent} -> []
    end.

as_otp(_Cert, {bad_cert, _} = Fault, _State) -> {fail, Fault};
as_otp(_Cert, {extension, _}, State) -> {unknown, State};
as_otp(_Cert, _Valid, State) -> {valid, State}.

%% Changes its mind with the contents of a file.
as_file_says(_Cert, valid_peer, File) ->
    case file:read_file(File) of
        {ok, <<"good">>} -> {valid, File};
        {ok, <<"bad">>} -> {fail, not_today}
    end;
as_file_says(Cert, Event, File) ->
    as_otp(Cert, Event, File).

trust_all(_Cert, {extension, #'Extension'{critical = false}}, State) -> {unknown, State};
trust_all(_Cert, _Event, State) -> {valid_peer, State}.

%% Accepts the faults that the state lists.
whitelist(_Cert, {bad_cert, Fault}, Accepted) ->
    case lists:member(Fault, Accepted) of
        true -> {valid, Accepted};
        false -> {fail, {not_whitelisted, Fault}}
    end;
whitelist(Cert, Event, State) ->
    as_otp(Cert, Event, State).

%% A peer whose chain is good is refused by name.
refuse_peer(Cert, valid_peer, Unwanted) ->
    case common_name(Cert) of
        Unwanted -> {fail, unwanted_peer};
        _ -> {valid, Unwanted}
    end;
refuse_peer(Cert, Event, State) ->
    as_otp(Cert, Event, State).

%% State: the answer to unknown critical extensions.
extensions(_Cert, {extension, #'Extension'{critical = true}}, Answer) -> {Answer, Answer};
extensions(Cert, Event, State) -> as_otp(Cert, Event, State).

%% For a peer called as the state says, the function is broken in the way that the rest of the state says.
by_peer_answer(Cert, valid_peer, {Broken, Name} = State) ->
    case common_name(Cert) of
        Name -> ?MODULE:Broken(Cert, valid_peer, State);
        _ -> {valid, State}
    end;
by_peer_answer(Cert, Event, State) ->
    as_otp(Cert, Event, State).

crash(_Cert, _Event, _State) -> error(deliberate).

throw(_Cert, _Event, _State) -> erlang:throw(deliberate).

rubbish(_Cert, _Event, _State) -> perhaps.

%% `unknown' is an answer to extensions alone.
unknown_fault(_Cert, _Event, State) -> {unknown, State}.

kill(_Cert, _Event, _State) -> exit(self(), kill).

leave(_Cert, _Event, _State) -> exit(normal).

hang(_Cert, _Event, _State) -> receive never -> ok end.

brief({extension, #'Extension'{extnID = Id, critical = Critical}}) -> {extension, Id, Critical};
brief(Event) -> Event.

common_name(#'OTPCertificate'{tbsCertificate = #'OTPTBSCertificate'{subject = {rdnSequence, Rdns}}}) ->
    [Name] = [unicode:characters_to_list(Text)
              || Rdn <- Rdns, #'AttributeTypeAndValue'{type = ?'id-at-commonName', value = {_Kind, Text}} <- Rdn],
    Name.
