%% Reads the file named by -ssl_dist_optfile.
%%
%% What is accepted is what OTP accepts (ssl_dist_sup:consult/1): one Erlang expression that ends with a full
%% stop, evaluated without bindings. Its value is a list with at most one {server, Options} and one {client, Options}.
%% Where OTP ignores what it does not understand, this is an error.
%%
%% OTP reads it in latin1 unless an encoding comment says otherwise, so that a path with an umlaut, which editors
%% write in UTF-8, names no file. Here it is UTF-8, and latin1 where a comment says so or UTF-8 it cannot be.
%%
%% No message quotes a string of the file, because it may be a password.
%%
%% @private
-module(rustls_dist_optfile).

-export([consult/1, format_error/1]).

-export_type([reason/0]).

-opaque reason() :: {file:filename_all(), fault()}.
-type fault() ::
        no_file | is_directory | unreadable | too_large
      | not_utf8
      | {syntax, line(), unicode:chardata()}
      | no_full_stop
      | several_expressions
      | {evaluation, unicode:chardata()}
      | {binds, [atom()]}
      | not_a_list_of_sides
      | {not_a_side, Position :: pos_integer()}
      | {not_a_list, rustls_dist_opts:side()}
      | {twice, rustls_dist_opts:side()}.
-type line() :: non_neg_integer().

-define(MAX_BYTES, (1 bsl 20)).

%% Reads and evaluates an options file.
%% File: its path.
%% Result: the sides it names, in the order of the file, each with its option list (not yet validated).
%% Error: a reason for format_error/1.
-spec consult(file:filename_all()) ->
          {ok, [{rustls_dist_opts:side(), list()}]} | {error, reason()}.
consult(File) ->
    try {ok, sides(evaluated(text(bytes(File))))}
    catch
        throw:{?MODULE, Fault} -> {error, {File, Fault}}
    end.

%% One sentence that names the file, the fault (with its line where there is one) and the remedy.
-spec format_error(reason()) -> unicode:chardata().
format_error({File, Fault}) ->
    io_lib:format("the options file ~ts (-ssl_dist_optfile) ~ts",
                  [rustls_dist_file_name:shown(File), describe(Fault)]).

bytes(File) ->
    case rustls_dist_raw_file:read(File, ?MAX_BYTES) of
        {ok, Bytes} -> Bytes;
        {error, eisdir} -> fail(is_directory);
        {error, too_large} -> fail(too_large);
        {error, Absent} when Absent =:= enoent; Absent =:= enotdir -> fail(no_file);
        {error, _} -> fail(unreadable)
    end.

%% The encoding and the characters. Some editors put a byte-order mark in front, which is no Erlang.
text(<<16#FEFF/utf8, Bytes/binary>>) ->
    text(Bytes);
text(Bytes) ->
    Encoding = epp:read_encoding_from_binary(Bytes),
    case {Encoding, unicode:characters_to_list(Bytes, utf8)} of
        {latin1, _} -> {latin1, binary_to_list(Bytes)};
        {_, Text} when is_list(Text) -> {utf8, Text};
        {none, _} -> {latin1, binary_to_list(Bytes)};
        {utf8, _} -> fail(not_utf8)
    end.

evaluated({utf8, Text}) -> value(with_utf8(expression(tokens(Text))));
evaluated({latin1, Text}) -> value(expression(tokens(Text))).

tokens(Text) ->
    case erl_scan:string(Text) of
        {ok, Tokens, _End} -> Tokens;
        {error, {Line, _Module, What}, _End} -> fail({syntax, Line, scan_error(What)})
    end.

%% The first form is that of OTP 25, the second that of OTP 27.
scan_error({string, $', _Text}) -> "an atom is not closed with '";
scan_error({unterminated, atom, _Text}) -> "an atom is not closed with '";
scan_error({string, _Quote, _Text}) -> "a string is not closed with \"";
scan_error({unterminated, _Thing, _Text}) -> "a string is not closed with \"";
scan_error(_) -> "characters that are no Erlang".

expression(Tokens) ->
    case Tokens =/= [] andalso element(1, lists:last(Tokens)) =:= dot of
        true -> parsed(erl_parse:parse_exprs(Tokens));
        false -> fail(no_full_stop)
    end.

parsed({ok, [Expression]}) -> Expression;
parsed({ok, _}) -> fail(several_expressions);
parsed({error, {Line, _Module, [What, [$" | _]]}}) -> fail({syntax, Line, [What, "a string"]});
parsed({error, {Line, Module, What}}) -> fail({syntax, Line, Module:format_error(What)}).

%% <<"..."/utf8>> is what is meant by <<"...">>: to Erlang the characters of the latter are bytes, the same where OTP reads
%% the file, and other ones where it was decoded.
with_utf8({bin_element, Anno, {string, _, _} = Text, default, default}) -> {bin_element, Anno, Text, default, [utf8]};
with_utf8(Form) when is_tuple(Form) -> list_to_tuple(with_utf8(tuple_to_list(Form)));
with_utf8(Forms) when is_list(Forms) -> [with_utf8(Form) || Form <- Forms];
with_utf8(Other) -> Other.

value(Expression) ->
    try erl_eval:expr(Expression, erl_eval:new_bindings()) of
        {value, Value, Bindings} ->
            case erl_eval:bindings(Bindings) of
                [] -> Value;
                Bound -> fail({binds, [Name || {Name, _} <- Bound]})
            end
    catch
        error:undef:Stack -> fail({evaluation, undefined_function(Stack)});
        Class:Reason -> fail({evaluation, evaluation_error(Class, Reason)})
    end.

undefined_function([{Module, Name, Args, _} | _]) when is_list(Args) ->
    undefined_function([{Module, Name, length(Args), []}]);
undefined_function([{erl_eval, Name, Arity, _} | _]) ->
    io_lib:format("it calls ~tw/~b without naming a module", [Name, Arity]);
undefined_function([{Module, Name, Arity, _} | _]) ->
    io_lib:format("it calls ~tw:~tw/~b, which does not exist", [Module, Name, Arity]);
undefined_function(_) ->
    "it calls a function that does not exist".

%% Only the kind of a failure is told: its details may hold a secret.
evaluation_error(error, {unbound_var, Name}) -> io_lib:format("the variable ~ts has no value", [Name]);
evaluation_error(error, {unbound_var, Name, _}) -> evaluation_error(error, {unbound_var, Name});
evaluation_error(Class, Reason) when is_atom(Reason) -> io_lib:format("it ends with ~s ~tw", [Class, Reason]);
evaluation_error(Class, Reason) when is_tuple(Reason), is_atom(element(1, Reason)) ->
    evaluation_error(Class, element(1, Reason));
evaluation_error(Class, _) -> io_lib:format("it ends with an exception of class ~s", [Class]).

%% OTP puts the value into a table as it is, so one pair outside a list works there too.
sides({Side, _} = Pair) when Side =:= server; Side =:= client -> sides([Pair]);
sides([]) -> [];
sides([_ | _] = Value) -> sides(Value, 1, []);
sides(_) -> fail(not_a_list_of_sides).

sides([], _Position, Sides) ->
    lists:reverse(Sides);
sides([{Side, Options} | Rest], Position, Sides) when Side =:= server; Side =:= client ->
    case lists:keymember(Side, 1, Sides) of
        true -> fail({twice, Side});
        false when length(Options) >= 0 -> sides(Rest, Position + 1, [{Side, Options} | Sides]);
        false -> fail({not_a_list, Side})
    end;
sides([_ | _], Position, _Sides) ->
    fail({not_a_side, Position});
sides(_ImproperTail, _Position, _Sides) ->
    fail(not_a_list_of_sides).

-spec fail(fault()) -> no_return().
fail(Fault) ->
    throw({?MODULE, Fault}).

describe(no_file) ->
    "does not exist or its directory cannot be searched: correct the path or create the file";
describe(is_directory) ->
    "is a directory: name a file in it";
describe(unreadable) ->
    "cannot be read: make it a file that the user of the node may read";
describe(too_large) ->
    io_lib:format("is larger than ~b bytes: name the file that holds the options", [?MAX_BYTES]);
describe(not_utf8) ->
    "is not the UTF-8 text that its encoding comment announces: save it as UTF-8 or correct the comment";
describe({syntax, Line, What}) ->
    io_lib:format("has a syntax error in line ~b, ~ts: correct it there", [Line, What]);
describe(no_full_stop) ->
    "does not end with a full stop: write one after the last bracket";
describe(several_expressions) ->
    "holds several expressions: leave one, [{server, [...]}, {client, [...]}].";
describe({evaluation, What}) ->
    io_lib:format("cannot be evaluated, ~ts: write the value itself, and funs as fun Module:Function/Arity",
                  [What]);
describe({binds, Names}) ->
    io_lib:format("binds the variables ~ts: write the values themselves",
                  [lists:join(", ", [atom_to_list(Name) || Name <- Names])]);
describe(not_a_list_of_sides) ->
    "does not hold a list: write [{server, [...]}, {client, [...]}].";
describe({not_a_side, Position}) ->
    io_lib:format("has something else than {server, [...]} or {client, [...]} as element ~b of its list: "
                  "move the options into one of these", [Position]);
describe({not_a_list, Side}) ->
    io_lib:format("gives ~s something else than a list: write {~s, [{certfile, \"...\"}]}", [Side, Side]);
describe({twice, Side}) ->
    io_lib:format("has {~s, ...} twice: join the two lists", [Side]).
