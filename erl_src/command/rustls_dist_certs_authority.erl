%% The folder of a small authority, as `rustls-dist certs' keeps it:
%%
%%     ca.pem  ca.key  crl.pem         the authority's certificate, its key, its revocation list
%%     issued.txt                      what it issued, as Erlang terms: {Serial, Node, NotAfter, valid | {revoked, When}}
%%     NAME@HOST/cert.pem, key.pem     a node's
%%     NAME@HOST/ssl_dist.conf         its options file
%%
%% Folders and keys are for their owner alone. Each file is written beside its place, and moved into it: whoever reads finds
%% the old one or the new one.
%%
%% @private
-module(rustls_dist_certs_authority).

-export([locked/2, file/2, node_file/3, issued/1, keep_issued/2, certificate/1, key/1, write/3, write_pem/3, make_folder/1,
         exists/1, fail/2]).

-export_type([entry/0, failure/0]).

-type entry() :: #{serial := rustls_dist_certs_x509:serial(), node := string(), not_after := integer(),
                   state := valid | {revoked, integer()}}.

%% A sentence.
-type failure() :: {?MODULE, unicode:chardata()}.

-define(MAX_BYTES, (1 bsl 24)).

%% Runs Do while nobody else changes the folder. Do may end with fail/2.
-spec locked(file:filename_all(), fun(() -> Result)) -> {ok, Result} | {error, unicode:chardata()}.
locked(Folder, Do) ->
    Lock = filename:join(Folder, ".lock"),
    try
        ok = lock(Folder, Lock),
        try
            {ok, Do()}
        after
            file:delete(Lock)
        end
    catch
        throw:{?MODULE, Why} -> {error, Why}
    end.

lock(Folder, Lock) ->
    case file:open(Lock, [write, exclusive, raw]) of
        {ok, Device} -> file:close(Device);
        {error, eexist} ->
            fail("another rustls-dist is at work in ~ts, or one was ended in the middle: then remove ~ts",
                 [shown(Folder), shown(Lock)]);
        {error, enoent} ->
            fail("there is no folder ~ts: `rustls-dist certs init ~ts' makes an authority there", [shown(Folder), shown(Folder)]);
        {error, Reason} ->
            fail("~ts cannot be written to: ~ts", [shown(Folder), file:format_error(Reason)])
    end.

-spec file(file:filename_all(), ca | key | crl | issued) -> file:filename_all().
file(Folder, ca) -> filename:join(Folder, "ca.pem");
file(Folder, key) -> filename:join(Folder, "ca.key");
file(Folder, crl) -> filename:join(Folder, "crl.pem");
file(Folder, issued) -> filename:join(Folder, "issued.txt").

-spec node_file(file:filename_all(), string(), folder | certificate | key | options) -> file:filename_all().
node_file(Folder, Node, folder) -> filename:join(Folder, Node);
node_file(Folder, Node, certificate) -> filename:join([Folder, Node, "cert.pem"]);
node_file(Folder, Node, key) -> filename:join([Folder, Node, "key.pem"]);
node_file(Folder, Node, options) -> filename:join([Folder, Node, "ssl_dist.conf"]).

%% What was issued, the oldest first.
-spec issued(file:filename_all()) -> [entry()].
issued(Folder) ->
    File = file(Folder, issued),
    case file:consult(File) of
        {ok, Terms} -> [entry(File, Term) || Term <- Terms];
        {error, enoent} -> [];
        {error, Reason} -> fail("~ts cannot be read: ~ts", [shown(File), file:format_error(Reason)])
    end.

entry(_File, {Serial, Node, NotAfter, State}) when is_integer(Serial), is_list(Node), is_integer(NotAfter) ->
    #{serial => Serial, node => Node, not_after => NotAfter, state => State};
entry(File, _Other) ->
    fail("~ts has something else in it than what was issued", [shown(File)]).

-spec keep_issued(file:filename_all(), [entry()]) -> ok.
keep_issued(Folder, Entries) ->
    write(file(Folder, issued), 8#600,
          ["%% Serial, node, end (Unix time), state. Kept by rustls-dist certs: renew and revoke go by it.\n"
           | [io_lib:format("{16#~.16B, ~0tp, ~w, ~0tp}.~n", [Serial, Node, NotAfter, State])
              || #{serial := Serial, node := Node, not_after := NotAfter, state := State} <- Entries]]).

%% The first certificate of a file.
-spec certificate(file:filename_all()) -> public_key:der_encoded().
certificate(File) ->
    case [Der || {'Certificate', Der, not_encrypted} <- pem(File)] of
        [Der | _] -> Der;
        [] -> fail("~ts holds no certificate", [shown(File)])
    end.

-spec key(file:filename_all()) -> rustls_dist_certs_x509:key().
key(File) ->
    case [Entry || {'ECPrivateKey', _Der, not_encrypted} = Entry <- pem(File)] of
        [Entry | _] -> public_key:pem_entry_decode(Entry);
        [] -> fail("~ts holds no key that rustls-dist made", [shown(File)])
    end.

pem(File) ->
    case rustls_dist_raw_file:read(File, ?MAX_BYTES) of
        {ok, Bytes} -> public_key:pem_decode(Bytes);
        {error, enoent} -> fail("there is no ~ts", [shown(File)]);
        {error, Reason} when is_atom(Reason) -> fail("~ts cannot be read: ~ts", [shown(File), file:format_error(Reason)]);
        {error, _} -> fail("~ts cannot be read", [shown(File)])
    end.

-spec write_pem(file:filename_all(), 8#600 | 8#644, [{atom(), public_key:der_encoded() | tuple()}]) -> ok.
write_pem(File, Mode, Entries) ->
    write(File, Mode, public_key:pem_encode([pem_entry(Type, What) || {Type, What} <- Entries])).

pem_entry(Type, Der) when is_binary(Der) -> {Type, Der, not_encrypted};
pem_entry(Type, Term) -> public_key:pem_entry_encode(Type, Term).

%% The file has its mode before there is anything in it.
-spec write(file:filename_all(), 8#600 | 8#644, unicode:chardata()) -> ok.
write(File, Mode, Text) ->
    New = [unicode:characters_to_binary(File), ".new"],
    Temporary = iolist_to_binary(New),
    _ = file:delete(Temporary),
    Steps = [fun() -> file:write_file(Temporary, <<>>, [exclusive]) end,
             fun() -> file:change_mode(Temporary, Mode) end,
             fun() -> file:write_file(Temporary, unicode:characters_to_binary(Text), [append, sync]) end,
             fun() -> file:rename(Temporary, File) end],
    case in_turn(Steps) of
        ok -> ok;
        {error, Reason} ->
            _ = file:delete(Temporary),
            fail("~ts cannot be written: ~ts", [shown(File), file:format_error(Reason)])
    end.

in_turn([]) -> ok;
in_turn([Step | Steps]) ->
    case Step() of
        ok -> in_turn(Steps);
        {error, _} = Error -> Error
    end.

%% One that is there already is left as it is.
-spec make_folder(file:filename_all()) -> ok.
make_folder(Folder) ->
    case file:make_dir(Folder) of
        ok -> file:change_mode(Folder, 8#700);
        {error, eexist} -> ok;
        {error, Reason} -> fail("the folder ~ts cannot be made: ~ts", [shown(Folder), file:format_error(Reason)])
    end.

-spec exists(file:filename_all()) -> boolean().
exists(File) ->
    case file:read_link_info(File) of
        {ok, _} -> true;
        {error, _} -> false
    end.

shown(File) -> rustls_dist_file_name:shown(File).

%% Ends what locked/2 runs.
-spec fail(io:format(), [term()]) -> no_return().
fail(Format, Arguments) ->
    throw({?MODULE, io_lib:format(Format, Arguments)}).
