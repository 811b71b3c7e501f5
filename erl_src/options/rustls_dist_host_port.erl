%% A server as users write it where revocation lists may come from: "Host" or "Host:Port", and port 80 where none is given.
%% An address of IPv6 stands in brackets. (ssl's documentation of allowed_hosts.)
%%
%% @private
-module(rustls_dist_host_port).

-export([parse/1]).

-define(HTTP_PORT, 80).
-define(MAX_PORT, 65535).

%% The host in lower case.
-spec parse(term()) -> {ok, {Host :: string(), inet:port_number()}} | error.
parse([_ | _] = Entry) ->
    case io_lib:printable_unicode_list(Entry) andalso uri_string:parse("http://" ++ Entry) of
        #{host := [_ | _] = Host, path := []} = Uri when map_size(Uri) =:= 3 ->
            {ok, {string:lowercase(Host), ?HTTP_PORT}};
        #{host := [_ | _] = Host, path := [], port := Port} = Uri when map_size(Uri) =:= 4, Port > 0, Port =< ?MAX_PORT ->
            {ok, {string:lowercase(Host), Port}};
        _ ->
            error
    end;
parse(_) ->
    error.
