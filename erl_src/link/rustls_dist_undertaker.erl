%% Reports a link that failed before it was up, once, whatever ended it and at whatever stage.
%%
%% The supervisor of a link (rustls_dist_link_out, rustls_dist_link_in) does not trap exits: dist_util's timer, net_kernel or
%% another link may end it at any time, and dist_util keeps most of its reasons to itself. So each set-up has this process
%% beside it, which is told how far it got and why it is about to give up, and sees it end. When the link comes up, the
%% undertaker goes.
%%
%% @private
-module(rustls_dist_undertaker).

-export([start_link/1, note_progress/2, note_failure/2, dismiss/1]).
-export([init/2]).

%% Starts the undertaker of the calling process. The caller runs at a higher priority and may be about to end: exits are
%% trapped when this returns.
-spec start_link(rustls_dist_log:setup()) -> pid().
start_link(Setup) ->
    Undertaker = spawn_link(?MODULE, init, [Setup, self()]),
    receive {Undertaker, ready} -> Undertaker end.

%% Says how far the supervisor got: the stage it enters, and what it learned of the peer.
-spec note_progress(pid(), #{stage := rustls_dist_failure:stage(), ip => inet:ip_address(),
                             address => rustls_dist_log:address(), states => string()}) -> ok.
note_progress(Undertaker, Progress) ->
    Undertaker ! {note_progress, Progress},
    ok.

%% Says why the supervisor is about to give up.
-spec note_failure(pid(), term()) -> ok.
note_failure(Undertaker, Reason) ->
    Undertaker ! {note_failure, Reason},
    ok.

%% The link is up: what ends it from now on is no failed set-up. Called by the supervisor.
-spec dismiss(pid()) -> ok.
dismiss(Undertaker) ->
    true = unlink(Undertaker),
    Undertaker ! dismiss,
    ok.

%% The process itself.
-spec init(rustls_dist_log:setup(), pid()) -> ok.
init(Setup, Supervisor) ->
    process_flag(trap_exit, true),
    Supervisor ! {self(), ready},
    rustls_dist_crash:without_terms(fun() -> watch(Setup, Supervisor, none) end).

watch(Setup, Supervisor, Noted) ->
    receive
        {note_progress, Progress} -> watch(maps:merge(Setup, Progress), Supervisor, Noted);
        {note_failure, Reason} -> watch(Setup, Supervisor, {noted, Reason});
        {'EXIT', Supervisor, Reason} -> rustls_dist_log:failed_setup(Setup, Noted, Reason);
        dismiss -> ok;
        _Unknown -> watch(Setup, Supervisor, Noted)
    end.
