%% Revocation lists from the file of the option crlfile: PEM, with any number of lists, or DER with one. The handle is
%% its path. The file is looked at for each certificate and read again when it has changed; while it cannot be used
%% there are no lists, which the log says once for each change.
%%
%% @private
-module(rustls_dist_crl_file).

-behaviour(ssl_crl_cache_api).

-export([check/1]).
-export([lookup/3, select/2, fresh_crl/2]).

-include_lib("public_key/include/public_key.hrl").
-include_lib("kernel/include/file.hrl").

-define(READ_MS, 5000).
-define(MAX_BYTES, (64 bsl 20)).

%% The clock of a file system may be this coarse: a file that was changed so shortly before it was read may have changed
%% again without looking different.
-define(CLOCK_SECONDS, 2).

%% Whether the file can be used now, for a warning when the node starts.
-spec check(file:filename_all()) -> ok | {error, unicode:chardata()}.
check(File) ->
    case load(File, state(File)) of
        {ok, _Lists, _Until} -> ok;
        {error, _} = Error -> Error
    end.

%% The lists of the issuer that a distribution point names, or else of the certificate's.
-spec lookup(#'DistributionPoint'{}, public_key:issuer_name(), file:filename_all()) ->
          not_available | [public_key:der_encoded()].
lookup(#'DistributionPoint'{cRLIssuer = asn1_NOVALUE}, Issuer, File) ->
    available(select(Issuer, File));
lookup(#'DistributionPoint'{cRLIssuer = Names}, _Issuer, File) ->
    available(select(Names, File)).

%% The lists of an issuer.
-spec select(public_key:issuer_name() | [{directoryName, public_key:issuer_name()} | term()], file:filename_all()) ->
          [public_key:der_encoded()].
select(Names, File) ->
    lists:flatmap(fun(Issuer) -> by_issuer(Issuer, File) end, rustls_dist_crl_lists:issuers(Names)).

%% The file was looked at a moment ago.
-spec fresh_crl(#'DistributionPoint'{}, Crl) -> Crl when Crl :: public_key:der_encoded().
fresh_crl(_Point, Crl) ->
    Crl.

by_issuer(Wanted, File) ->
    State = state(File),
    case rustls_dist_crl_store:lists({file, File}, State, fun(_Slot) -> load(File, State) end, ?READ_MS) of
        {ok, Lists} -> [Der || {Issuer, Der} <- Lists, Issuer =:= Wanted];
        {error, _} -> []
    end.

available([]) -> not_available;
available(Ders) -> Ders.

%% What changes when the file does.
state(File) ->
    case file:read_file_info(File, [raw, {time, posix}]) of
        {ok, #file_info{size = Size, mtime = Modified, ctime = Changed, inode = Inode}} ->
            {Size, Modified, Changed, Inode};
        {error, Reason} ->
            {error, Reason}
    end.

load(_File, {error, Reason}) ->
    {error, file:format_error(Reason)};
load(File, {_Size, Modified, Changed, _Inode}) ->
    Settled = max(Modified, Changed) + ?CLOCK_SECONDS < erlang:system_time(second),
    case rustls_dist_raw_file:read(File, ?MAX_BYTES) of
        {ok, Bytes} ->
            case rustls_dist_crl_lists:parse(Bytes) of
                {ok, Lists, _NextUpdate} when Settled -> {ok, Lists, infinity};
                {ok, Lists, _NextUpdate} -> {ok, Lists, 0};
                Error -> Error
            end;
        {error, too_large} ->
            {error, io_lib:format("it is larger than ~b bytes", [?MAX_BYTES])};
        {error, Reason} ->
            {error, file:format_error(Reason)}
    end.
