%% Bytes that must not be seen, in texts that show terms in many forms: crash dumps, logs, terms in their external format.
-module(rustls_dist_needles).

-export([crash_dump/3, found/2]).

%% The forms of each needle.
-define(FORMS, [raw, base64, hex, decimal, list]).

-define(BEGINNING_BYTES, 20).

-type form() :: raw | base64 | hex | decimal | list.

%% Makes a node write a crash dump, which ends it, and gives the dump. How: `signal', or erlang:halt/1 with a slogan.
-spec crash_dump(file:filename(), rustls_dist_cluster:peer(), signal | halt) -> binary().
crash_dump(Dir, #{pid := Pid} = Peer, How) ->
    File = filename:join(Dir, "erl_crash.dump"),
    _ = file:delete(File),
    true = unlink(Pid),
    ok = ended(How, Peer),
    rustls_dist_cluster:poll(fun() ->
                                     case file:read_file(File) of
                                         {ok, Dump} -> binary:match(Dump, <<"\n=end">>) =/= nomatch andalso Dump;
                                         {error, enoent} -> false
                                     end
                             end).

ended(signal, Peer) ->
    "" = os:cmd("kill -USR1 " ++ rustls_dist_cluster:os_pid(Peer)),
    ok;
ended(halt, Peer) ->
    try rustls_dist_cluster:call(Peer, erlang, halt, ["ended to see its dump"]) of
        Unexpected -> {still_there, Unexpected}
    catch
        exit:_ -> ok
    end.

%% Which of the needles are there, each with the forms in which it is.
-spec found(binary(), [{Name, binary()}]) -> [{Name, [form()]}].
found(Text, Needles) ->
    Elements = elements(Text),
    case [Form || Form <- ?FORMS, Needles =/= [], is_found(searched(Form, Text, Elements), beginnings(Form, Needles))] of
        [] -> [];
        Begun -> [{Name, Forms} || {Name, Bytes} <- Needles,
                                   Forms <- [[Form || Form <- Begun,
                                                      is_found(searched(Form, Text, Elements), patterns(Form, Bytes))]],
                                   Forms =/= []]
    end.

%% All at once, as far as a needle's beginning tells: looking for each by itself takes minutes.
beginnings(Form, Needles) ->
    [binary:part(Pattern, 0, min(byte_size(Pattern), ?BEGINNING_BYTES))
     || {_Name, Bytes} <- Needles, Pattern <- patterns(Form, Bytes)].

is_found(Text, Patterns) ->
    binary:match(Text, Patterns) =/= nomatch.

searched(list, _Text, Elements) -> Elements;
searched(_Form, Text, _Elements) -> Text.

%% A crash dump shows a list of bytes as a line for each element, in the one order or the other.
elements(Text) ->
    case re:run(Text, ":lI([0-9]+)\\|", [global, {capture, all_but_first, binary}]) of
        {match, Found} ->
            Forward = << <<(binary_to_integer(Element) band 255)>> || [Element] <- Found >>,
            <<Forward/binary, (list_to_binary(lists:reverse(binary_to_list(Forward))))/binary>>;
        nomatch ->
            <<>>
    end.

patterns(raw, Bytes) ->
    [Bytes];
patterns(list, Bytes) ->
    [Bytes];
patterns(decimal, Bytes) ->
    [iolist_to_binary(lists:join(Comma, [integer_to_list(Byte) || <<Byte>> <= Bytes])) || Comma <- [",", ", "]];
patterns(hex, Bytes) ->
    Hex = binary:encode_hex(Bytes),
    patterns(base64, Hex) ++ patterns(base64, string:lowercase(Hex)) ++ [Hex, string:lowercase(Hex)];
patterns(base64, Bytes) ->
    [inside_base64(Before, Bytes) || Before <- [<<>>, <<0>>, <<0, 0>>]].

%% What stays the same of Bytes in base64 whatever stands before them (as many bytes as in Before, modulo 3) and behind.
inside_base64(Before, Bytes) ->
    Encoded = base64:encode(<<Before/binary, Bytes/binary>>),
    Skip = case byte_size(Before) of 0 -> 0; 1 -> 2; 2 -> 3 end,
    Whole = (byte_size(Before) + byte_size(Bytes)) * 8 div 6,
    binary:part(Encoded, Skip, Whole - Skip).
