%% The table of doc/security.md about hostile peers, from what a run of rustls_dist_hostile_SUITE left: `make hostile'.
-module(rustls_dist_hostile_page).

-export([write/0]).

-define(PAGE, "doc/security.md").
-define(BEGIN, "<!-- hostile: made by make hostile -->\n").
-define(END, "<!-- end of hostile -->").

%% In the checkout's folder.
-spec write() -> ok.
write() ->
    {ok, Before} = file:read_file(?PAGE),
    [Above, Rest] = string:split(Before, ?BEGIN),
    [_Old, Below] = string:split(Rest, ?END),
    Text = text(rustls_dist_figures:left(hostile)),
    ok = file:write_file(?PAGE, unicode:characters_to_binary([Above, ?BEGIN, Text, ?END, Below])).

text(Rows) ->
    Attacks = [Row || #{name := _} = Row <- Rows],
    [summary(Rows, Attacks), "\n",
     "| has shown | what the peer does | connections | how they ended | joins beside it: median, longest | memory after | "
     "lines in the log, atoms |\n|---|---|---|---|---|---|---|\n",
     [row(Name, [Row || #{name := Of} = Row <- Attacks, Of =:= Name]) || Name <- names(Attacks)]].

%% In the order of the run.
names(Attacks) ->
    lists:foldl(fun(#{name := Name}, Names) ->
                        case lists:member(Name, Names) of
                            true -> Names;
                            false -> Names ++ [Name]
                        end
                end, [], Attacks).

summary(Rows, Attacks) ->
    Carried = [Row || #{carried := _} = Row <- Rows],
    Undisturbed = [Ms || #{undisturbed_ms := Ms} <- Attacks],
    {{Year, Month, Day}, _} = calendar:universal_time(),
    [io_lib:format("~4..0w-~2..0w-~2..0w, ~ts, OTP ~ts. ", [Year, Month, Day, machine(), erlang:system_info(otp_release)]),
     io_lib:format("~w hostile connections in ~w kinds of configuration. Beside them ~w messages of ~w bytes went over links "
                   "that were up: ~w lost, damaged or out of order, and no such link ended. ",
                   [lists:sum([Inputs || #{inputs := Inputs} <- Attacks]),
                    length(lists:usort([Configuration || #{configuration := Configuration} <- Attacks])),
                    lists:sum([Sent || #{carried := Sent} <- Carried]), hd([Bytes || #{bytes := Bytes} <- Carried]),
                    lists:sum([Lost || #{lost := Lost} <- Carried])]),
     io_lib:format("Joins without an attack took ~.1f ms (median; ~.1f to ~.1f by configuration); attackers and nodes share the "
                   "machine. ", [median(Undisturbed), lists:min(Undisturbed), lists:max(Undisturbed)]),
     [io_lib:format("Each of ~w members that say nothing holds ~w bytes beside a busy link. ", [Count, Bytes])
      || #{waiting := Count, bytes_each := Bytes} <- Rows],
     "Descriptors, handshakes, processes and links were what they were after each.\n"].

machine() ->
    {ok, Info} = file:read_file("/proc/cpuinfo"),
    Model = case re:run(Info, "model name\\s*:\\s*(.*)", [{capture, all_but_first, list}]) of
                {match, [Found]} -> Found;
                nomatch -> "an unnamed processor"
            end,
    io_lib:format("~ts, ~w cores", [Model, erlang:system_info(logical_processors)]).

row(_Name, [#{stage := Stage, does := Does} | _] = Rows) ->
    Joins = lists:append([Joins || #{joins_ms := Joins} <- Rows]),
    io_lib:format("| ~ts | ~ts | ~w | ~ts | ~.1f, ~.1f ms | ~ts kB | ~w, ~w |\n",
                  [who(Stage), Does, lists:sum([Inputs || #{inputs := Inputs} <- Rows]), ended(Rows),
                   median(Joins), lists:max(Joins), signed(lists:max([Kept || #{kept_bytes := Kept} <- Rows]) div 1000),
                   lists:max([Lines || #{lines := Lines} <- Rows]), lists:max([max(0, Atoms) || #{atoms := Atoms} <- Rows])]).

who(stranger) -> "nothing";
who(member) -> "certificate";
who(joined) -> "and cookie".

ended(Rows) ->
    All = lists:foldl(fun(#{outcomes := Outcomes}, Sum) ->
                              maps:fold(fun(Outcome, Count, Into) ->
                                                maps:update_with(text_of(Outcome), fun(Before) -> Before + Count end, Count, Into)
                                        end, Sum, Outcomes)
                      end, #{}, Rows),
    case lists:reverse(lists:keysort(2, maps:to_list(All))) of
        [{Only, _Count}] -> Only;
        Several -> lists:join(", ", [io_lib:format("~ts ~w", [Outcome, Count]) || {Outcome, Count} <- Several])
    end.

text_of({alert, Code}) -> alert(Code);
text_of(close_notify) -> "close_notify";
text_of(ended) -> "closed";
text_of(served) -> "served";
text_of(refused) -> "refused";
text_of(alive) -> "by the peer".

%% RFC 8446 section 6.2, RFC 5246 section 7.2.
alert(10) -> "unexpected_message";
alert(20) -> "bad_record_mac";
alert(22) -> "record_overflow";
alert(40) -> "handshake_failure";
alert(47) -> "illegal_parameter";
alert(50) -> "decode_error";
alert(70) -> "protocol_version";
alert(80) -> "internal_error";
alert(100) -> "no_renegotiation";
alert(Code) -> "alert " ++ integer_to_list(Code).

signed(Number) when Number > 0 -> "+" ++ integer_to_list(Number);
signed(Number) -> integer_to_list(Number).

median(Numbers) ->
    lists:nth(length(Numbers) div 2 + 1, lists:sort(Numbers)).
