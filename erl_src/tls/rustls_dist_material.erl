%% The files that a configuration is made of, and whether they have changed: options file, certificates, keys, authorities.
%% Files that are looked at anew whenever they are used are none of these: revocation lists, pins, the file of ports.
%%
%% @private
-module(rustls_dist_material).

-export([files/1, options_file/0, stamps/2, changed/2]).

-export_type([stamps/0]).

-include_lib("kernel/include/file.hrl").

%% State: what the file system tells, cheaply; Digest: SHA-256 of the contents, taken when the state has changed.
-record(stamp, {state :: term(), digest :: binary() | {error, atom()}, taken_s :: integer()}).

-type stamps() :: #{Name :: binary() => #stamp{}}.

%% A file may be written twice in the second that its time is told in.
-define(SETTLED_S, 2).

%% The options file, as the flag names it. Names are the bytes of the operating system throughout.
-spec options_file() -> [binary()].
options_file() ->
    [Bytes || {ok, [[Word]]} <- [init:get_argument(ssl_dist_optfile)],
              {ok, Bytes} <- [rustls_dist_file_name:of_word(rustls_dist_file_name:word(Word))]].

%% The files that the options name, the options file first.
-spec files([rustls_dist_opts:source()]) -> [binary()].
files(Sources) ->
    Named = [File || Role <- [server, client], {ok, #{options := Options}} <- [rustls_dist_opts:parse(Role, Sources)],
                     Name <- named(Options), {ok, File} <- [rustls_dist_file_name:bytes(Name)]],
    options_file() ++ lists:usort(Named).

named(Options) ->
    Pairs = [Options | maps:get(certs_keys, Options, [])],
    [File || Pair <- Pairs, Key <- [certfile, keyfile], #{Key := File} <- [Pair]] ++ [File || #{cacertfile := File} <- [Options]].

%% The state of these files, with what is known of them. It takes its time: digests are of whole files.
-spec stamps([binary()], stamps()) -> stamps().
stamps(Files, Known) ->
    maps:from_list([{File, stamp(File, maps:get(File, Known, none))} || File <- Files]).

stamp(File, Known) ->
    NowS = erlang:system_time(second),
    {State, ChangedS} = state(File),
    case Known of
        #stamp{state = State, taken_s = TakenS} when TakenS - ChangedS >= ?SETTLED_S -> Known;
        _ -> #stamp{state = State, digest = digest(File), taken_s = NowS}
    end.

%% Of what a link leads to. Whatever happens to a file changes one of these.
state(File) ->
    case file:read_file_info(File, [raw, {time, posix}]) of
        {ok, #file_info{inode = Inode, major_device = Device, size = Size, mtime = ModifiedS, ctime = ChangedS}} ->
            {{Device, Inode, Size, ModifiedS, ChangedS}, max(ModifiedS, ChangedS)};
        {error, Reason} ->
            {{error, Reason}, 0}
    end.

%% A file's name need not be text.
digest(File) ->
    case rustls_dist_nif:file_digest(File) of
        {ok, Digest} -> Digest;
        {error, #{kind := Kind}} -> {error, Kind}
    end.

%% The files whose contents differ.
-spec changed(stamps(), stamps()) -> [binary()].
changed(Before, Now) ->
    [File || {File, #stamp{digest = Digest}} <- maps:to_list(Now),
             case Before of
                 #{File := #stamp{digest = Digest}} -> false;
                 #{} -> true
             end].
