%% A verify_fun for real nodes: writes what it is told into a file, since nothing else of the handshake remains.
-module(rustls_dist_event_link).

-export([record/3, read/2]).

-include_lib("public_key/include/public_key.hrl").

%% The state: the file, whether faults are accepted, and the count of the next event.
-spec record(#'OTPCertificate'{}, Event, State) -> {valid | unknown, State} | {fail, term()} when
      Event :: {bad_cert, term()} | {extension, #'Extension'{}} | valid | valid_peer,
      State :: {file:filename(), defaults | accept, pos_integer()}.
record(#'OTPCertificate'{tbsCertificate = #'OTPTBSCertificate'{serialNumber = Serial}}, Event, {File, Answers, Count}) ->
    ok = file:write_file(File, io_lib:format("~w.~n", [{Count, Serial, Event}]), [append]),
    answer(Answers, Event, {File, Answers, Count + 1}).

answer(accept, _Event, State) -> {valid, State};
answer(defaults, {extension, _}, State) -> {unknown, State};
answer(defaults, {bad_cert, _} = Fault, _State) -> {fail, Fault};
answer(defaults, _Valid, State) -> {valid, State}.

%% The events of a file, with the certificates of the row under their names.
-spec read(file:filename(), rustls_dist_chains:row()) -> [{pos_integer(), string(), term()}].
read(File, #{sent := Sent, trusted := Trusted}) ->
    Names = maps:from_list([{serial(Otp), Name} || #{otp := Otp, name := Name} <- Sent ++ Trusted]),
    case file:consult(File) of
        {ok, Lines} -> [{Count, maps:get(Serial, Names), Event} || {Count, Serial, Event} <- Lines];
        {error, enoent} -> []
    end.

serial(#'OTPCertificate'{tbsCertificate = #'OTPTBSCertificate'{serialNumber = Serial}}) -> Serial.
