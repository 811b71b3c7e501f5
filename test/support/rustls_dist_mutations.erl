%% Bytes and terms that were right, changed at random. The caller seeds `rand'.
-module(rustls_dist_mutations).

-export([bytes/1, term/1]).

%% What means something to Erlang, to PEM and to DER.
-define(TELLING, <<"[]{}()<>,.;:|\"'#$%\\=- \n\r\t", 0, 1, 16#30, 16#7F, 16#80, 16#81, 16#82, 16#FE, 16#FF, "BEGIN">>).

%% Bytes with one to four changes.
-spec bytes(binary()) -> binary().
bytes(Bytes) ->
    lists:foldl(fun(_, Changed) -> change(rand:uniform(7), Changed) end, Bytes, lists:seq(1, rand:uniform(4))).

change(1, Bytes) ->
    {Before, <<Byte, After/binary>>} = cut(<<Bytes/binary, 0>>),
    <<Before/binary, (Byte bxor (1 bsl (rand:uniform(8) - 1))), After/binary>>;
change(2, Bytes) ->
    {Before, <<_, After/binary>>} = cut(<<Bytes/binary, 0>>),
    <<Before/binary, (telling()), After/binary>>;
change(3, Bytes) ->
    {Before, After} = cut(Bytes),
    <<Before/binary, (telling()), After/binary>>;
change(4, Bytes) ->
    {Before, _Gone, After} = part(Bytes),
    <<Before/binary, After/binary>>;
change(5, Bytes) ->
    {Before, Part, After} = part(Bytes),
    {Begin, End} = cut(<<Before/binary, After/binary>>),
    <<Begin/binary, Part/binary, End/binary>>;
change(6, Bytes) ->
    {Before, Part, After} = part(Bytes),
    <<Before/binary, Part/binary, Part/binary, After/binary>>;
change(7, Bytes) ->
    element(1, cut(Bytes)).

telling() ->
    case rand:uniform(4) of
        1 -> rand:uniform(256) - 1;
        _ -> binary:at(?TELLING, rand:uniform(byte_size(?TELLING)) - 1)
    end.

%% The first byte of the second half is there where Bytes has one.
cut(Bytes) ->
    split_binary(Bytes, rand:uniform(max(1, byte_size(Bytes))) - 1).

part(Bytes) ->
    {Before, Rest} = cut(Bytes),
    {Part, After} = split_binary(Rest, min(byte_size(Rest), rand:uniform(40))),
    {Before, Part, After}.

%% A term in which something is another, or is not there, or is there twice.
-spec term(term()) -> term().
term([_ | _] = List) when length(List) > 0 -> in_list(rand:uniform(8), List, rand:uniform(length(List)));
term(Tuple) when tuple_size(Tuple) > 0 -> in_tuple(rand:uniform(8), tuple_to_list(Tuple));
term(_) -> other().

in_list(1, _List, _N) -> other();
in_list(2, List, N) -> lists:sublist(List, N - 1) ++ lists:nthtail(N, List);
in_list(3, List, N) -> [lists:nth(N, List) | List];
in_list(4, List, _N) -> List ++ other();
in_list(_, List, N) -> lists:sublist(List, N - 1) ++ [term(lists:nth(N, List)) | lists:nthtail(N, List)].

in_tuple(1, _Elements) -> other();
in_tuple(2, Elements) -> list_to_tuple(tl(Elements));
in_tuple(3, Elements) -> list_to_tuple([other() | Elements]);
in_tuple(_, Elements) -> list_to_tuple(in_list(8, Elements, rand:uniform(length(Elements)))).

other() ->
    Others = [[], a, true, infinity, 'tlsv1.3', '', 'ä', 0, -1, 255, 256, 1 bsl 70, 1.5, "text", "A:B", "1,2", <<>>, <<"text">>,
              <<255>>, <<1:3>>, [1114112], [16#D800], ["a", <<"b">>, $c], [a | b], [[[]]], {}, {a, b}, {server, []}, {a, b, c, d},
              #{}, #{a => b}, fun() -> ok end, fun lists:keyfind/3, self(), make_ref(), [{certfile, "c"}], {verify_fun, 1}],
    lists:nth(rand:uniform(length(Others)), Others).
