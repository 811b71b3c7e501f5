%% The distribution handshake, which dist_util does, and what surrounds it: a peer that is turned away is told that this was
%% meant, with TLS' close_notify, and whatever dist_util makes of a peer's packets ends in a reason for the one log
%% entry, never in a crash report.
%%
%% dist_util goes on to tick when the link is up, so that these calls do not return.
%%
%% @private
-module(rustls_dist_negotiation).

-export([we_started/3, other_started/4, guarded/3, turn_away/1]).

-include_lib("kernel/include/dist_util.hrl").

%% Does the distribution handshake on a link that we opened. Undertaker: of the link.
-spec we_started(#hs_data{}, rustls_dist_handshake:tls(), pid()) -> no_return().
we_started(HsData, Tls, Undertaker) ->
    run(fun dist_util:handshake_we_started/1, HsData, Tls, Undertaker).

%% Does it on a link that the peer opened. First: the packet with the peer's name.
-spec other_started(#hs_data{}, First :: binary(), rustls_dist_handshake:tls(), pid()) -> no_return().
other_started(HsData, First, Tls, Undertaker) ->
    Handshake = fun(Data) -> dist_util:handshake_other_started(rustls_dist_proof:demand(Data, First)) end,
    run(Handshake, HsData, Tls, Undertaker).

%% Says close_notify (RFC 8446 section 6.1), as long as the link is not up and the socket still this process's.
-spec turn_away(rustls_dist_handshake:tls()) -> ok.
turn_away(#{socket := Socket, tx := Tx}) ->
    _ = erlang:port_info(Socket, connected) =:= {connected, self()}
        andalso rustls_dist_handshake_io:say(Socket, rustls_dist_nif:tx_close_notify(Tx)),
    ok.

run(Handshake, HsData, Tls, Undertaker) ->
    guarded(Undertaker, Tls, fun() ->
                                     try
                                         Handshake(HsData)
                                     catch
                                         exit:Reason ->
                                             turn_away(Tls),
                                             exit(Reason)
                                     end
                             end).

%% Runs what looks at bytes that the peer chose. Undertaker: of the link.
-spec guarded(pid(), rustls_dist_handshake:tls(), fun(() -> Result)) -> Result.
guarded(Undertaker, Tls, Look) ->
    try
        Look()
    catch
        error:Reason:Stack ->
            %% Not the reason itself, nor the arguments in the stack: they hold what the peer sent.
            Failure = {failed_over_input, where(Stack), kind(Reason)},
            rustls_dist_undertaker:note_failure(Undertaker, Failure),
            turn_away(Tls),
            exit({rustls_dist, Failure})
    end.

where([{Module, Function, Arguments, _} | _]) when is_list(Arguments) -> {Module, Function, length(Arguments)};
where([{Module, Function, Arity, _} | _]) -> {Module, Function, Arity};
where(_NoStack) -> unknown.

kind(Reason) when is_atom(Reason) -> Reason;
kind(Reason) when is_tuple(Reason), is_atom(element(1, Reason)) -> element(1, Reason);
kind(_Reason) -> unknown.
