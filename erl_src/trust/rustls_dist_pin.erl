%% An allow-list of certificates by their SHA-256 fingerprints, as a verify_fun: rustls_dist:verify_pinned/3.
%%
%% @private
-module(rustls_dist_pin).

-export([verify/4, format_error/1]).

-include_lib("public_key/include/public_key.hrl").

-define(FINGERPRINT_BYTES, 32).
-define(MAX_BYTES, (1 bsl 20)).

%% A listed peer certificate is accepted whatever else is wrong with it: the list is all the trust there is. That the peer
%% holds its private key is proven by the handshake in any case. One that is not listed is refused, however well it is
%% certified. State: see fingerprints/1.
-spec verify(#'OTPCertificate'{}, public_key:der_encoded(), Event, State) ->
          {valid, State} | {unknown, State} | {fail, Reason :: term()} when
      Event :: {bad_cert, term()} | {extension, #'Extension'{}} | valid | valid_peer,
      State :: [string() | binary()] | file:filename().
verify(_Cert, Der, {extension, #'Extension'{critical = true}}, State) ->
    if_pinned(Der, State, {unknown, State});
verify(_Cert, _Der, {extension, _}, State) ->
    {unknown, State};
verify(_Cert, _Der, valid, State) ->
    %% An authority: it is the peer's certificate that has to be listed.
    {valid, State};
verify(_Cert, Der, {bad_cert, selfsigned_peer}, State) ->
    if_pinned(Der, State, {fail, {not_pinned, fingerprint(Der)}});
verify(_Cert, Der, {bad_cert, _} = Fault, State) ->
    if_pinned(Der, State, {fail, Fault});
verify(_Cert, Der, valid_peer, State) ->
    if_pinned(Der, State, {fail, {not_pinned, fingerprint(Der)}}).

%% The fingerprints of a list, or of a file with one on each line (what follows a `#' is a comment), as binaries of 32
%% bytes. Hex digits of either case, with or without colons between them, and what openssl writes in front, up to `='. A file
%% is read at each call, so that a change is in force with the next handshake.
fingerprints([]) ->
    {ok, []};
fingerprints([First | _] = List) when not is_integer(First) ->
    parse(List);
fingerprints(File) ->
    case rustls_dist_raw_file:read(rustls_dist_file_name:local(File), ?MAX_BYTES) of
        {ok, <<Mark:2/binary, _/binary>>} when Mark =:= <<16#FF, 16#FE>>; Mark =:= <<16#FE, 16#FF>> -> {error, utf16};
        {ok, Text} -> parse([hd(binary:split(Line, <<"#">>)) || Line <- lines(Text)]);
        {error, Reason} -> {error, {File, Reason}}
    end.

%% What fingerprints/1 says, as a sentence.
-spec format_error({file:filename_all(), term()} | {not_a_sha256_fingerprint, string()} | utf16) -> unicode:chardata().
format_error(utf16) ->
    "their file begins with a byte-order mark of UTF-16; save it as plain text";
format_error({not_a_sha256_fingerprint, Word}) ->
    io_lib:format("\"~ts\" is no SHA-256 fingerprint; write 64 hexadecimal digits",
                  [rustls_dist_peer_text:cut(unicode:characters_to_binary(Word))]);
format_error({File, too_large}) ->
    io_lib:format("~ts is larger than ~b bytes", [rustls_dist_file_name:shown(File), ?MAX_BYTES]);
format_error({File, Reason}) ->
    io_lib:format("~ts cannot be read: ~ts", [rustls_dist_file_name:shown(File), file:format_error(Reason)]).

lines(<<16#FEFF/utf8, Text/binary>>) -> lines(Text);
lines(Text) -> binary:split(Text, [<<"\n">>, <<"\r">>], [global]).

if_pinned(Der, State, Otherwise) ->
    case fingerprints(State) of
        {ok, Pinned} ->
            case lists:member(digest(Der), Pinned) of
                true -> {valid, State};
                false -> Otherwise
            end;
        {error, Reason} ->
            {fail, {pinned_fingerprints, Reason}}
    end.

parse(Lines) ->
    Stripped = [[Char || Char <- lists:last(string:split(text(Line), "=")), not lists:member(Char, ": \t\r")]
                || Line <- Lines],
    decode([Hex || Hex <- Stripped, Hex =/= ""], []).

text(Line) ->
    case unicode:characters_to_list(Line) of
        Text when is_list(Text) -> Text;
        _ -> binary_to_list(iolist_to_binary(Line))
    end.

decode([], Pinned) ->
    {ok, Pinned};
decode([Hex | Rest], Pinned) ->
    try binary:decode_hex(list_to_binary(Hex)) of
        Digest when byte_size(Digest) =:= ?FINGERPRINT_BYTES -> decode(Rest, [Digest | Pinned]);
        _ -> {error, {not_a_sha256_fingerprint, Hex}}
    catch
        error:_ -> {error, {not_a_sha256_fingerprint, Hex}}
    end.

digest(Der) ->
    crypto:hash(sha256, Der).

fingerprint(Der) ->
    binary:encode_hex(digest(Der)).
