%% The files that a node's options name: who may read the keys, and who may change what the node trusts.
%%
%% @private
-module(rustls_dist_check_files).

-export([findings/1]).

-include_lib("kernel/include/file.hrl").

-define(READ_BY_OTHERS, 8#004).
-define(READ_BY_GROUP, 8#040).
-define(WRITTEN_BY_OTHERS, 8#022).

-spec findings(rustls_dist_check_subject:subject()) -> [rustls_dist_command_finding:finding()].
findings(Subject) ->
    Parsed = parsed(Subject),
    Keys = lists:uniq([File || Options <- Parsed, File <- keys(Options)]),
    Files = lists:uniq(Keys ++ [File || Options <- Parsed, File <- files(Options)] ++ optfiles(Subject)),
    [Finding || File <- Keys, Finding <- key(File)]
        ++ [Finding || File <- Files, Finding <- writable(File) ++ relative(File)]
        ++ passwords(Subject).

%% The modes of files are worth a word when something else keeps the node from coming up, too.
parsed(#{sources := {ok, Sources}}) ->
    [Options || Role <- [server, client], {ok, #{options := Options}} <- [rustls_dist_opts:parse(Role, Sources)]];
parsed(#{sources := {error, _}}) ->
    [].

keys(#{certs_keys := Pairs}) -> [File || Pair <- Pairs, File <- keys(Pair)];
keys(#{keyfile := File}) -> [File];
keys(#{certfile := File}) -> [File];
keys(#{}) -> [].

files(#{certs_keys := Pairs} = Options) ->
    [File || Pair <- Pairs, File <- files(Pair)] ++ files(maps:remove(certs_keys, Options));
files(Options) ->
    maps:values(maps:with([certfile, cacertfile, crlfile], Options)).

optfiles(#{sources := {ok, Sources}}) ->
    [File || {optfile, File, _Sides} <- Sources];
optfiles(#{sources := {error, _}}) ->
    [].

key(File) ->
    Shown = rustls_dist_file_name:shown(File),
    case mode(File) of
        {ok, Mode} when Mode band ?READ_BY_OTHERS =/= 0 ->
            [#{severity => warning, is => key_readable_by_others, where => Shown,
               what => ["the private key in ", Shown, " may be read by every user of this machine (", octal(Mode), ")"],
               remedy => ["chmod 600 ", Shown, ", or 640 and a group that only the node is in"]}];
        {ok, Mode} when Mode band ?READ_BY_GROUP =/= 0 ->
            [#{severity => note, is => key_readable_by_group, where => Shown,
               what => ["the private key in ", Shown, " may be read by a group (", octal(Mode), ")"],
               remedy => ["see that only the node is in that group, or chmod 600 ", Shown]}];
        _ ->
            []
    end.

writable(File) ->
    Shown = rustls_dist_file_name:shown(File),
    [#{severity => warning, is => file_writable_by_others, where => Shown,
       what => [Shown, " may be changed by others than its owner (", octal(Mode), "), who so decide what the node is and trusts"],
       remedy => ["chmod go-w ", Shown]}
     || {ok, Mode} <- [mode(File)], Mode band ?WRITTEN_BY_OTHERS =/= 0].

relative(File) ->
    [#{severity => note, is => relative_path, where => rustls_dist_file_name:shown(File),
       what => [rustls_dist_file_name:shown(File), " is looked for in the folder that the node is started in"],
       remedy => "write the whole path, unless that folder is always the same"}
     || filename:pathtype(rustls_dist_file_name:local(File)) =/= absolute].

passwords(#{sources := {ok, Sources}}) ->
    [#{severity => warning, is => password_in_flags, where => "-ssl_dist_opt",
       what => "a password is on the command line, where every user of this machine sees it",
       remedy => "write it into the options file, and let only the node's user read that"}
     || {flag, Words} <- Sources, lists:any(fun(Word) -> Word =:= "server_password" orelse Word =:= "client_password" end, Words)]
        ++ [#{severity => warning, is => password_readable_by_others, where => rustls_dist_file_name:shown(File),
              what => ["the options file has a password in it and may be read by every user of this machine (", octal(Mode), ")"],
              remedy => ["chmod 600 ", rustls_dist_file_name:shown(File)]}
            || {optfile, File, Sides} <- Sources, has_password(Sides), {ok, Mode} <- [mode(File)],
               Mode band ?READ_BY_OTHERS =/= 0];
passwords(#{sources := {error, _}}) ->
    [].

has_password(Sides) ->
    lists:any(fun({_Side, Options}) ->
                      lists:keymember(password, 1, [Option || Option <- Options, is_tuple(Option)])
                          orelse [Pair || {certs_keys, Pairs} <- Options, is_list(Pairs), #{password := _} = Pair <- Pairs] =/= []
              end, Sides).

%% Of the file itself, whatever links lead to it.
mode(File) ->
    case file:read_file_info(rustls_dist_file_name:local(File), [raw]) of
        {ok, #file_info{mode = Mode}} -> {ok, Mode band 8#777};
        {error, _} = Error -> Error
    end.

octal(Mode) ->
    io_lib:format("mode ~3.8.0b", [Mode]).
