%% What the two processes of a link that is up, rustls_dist_controller and rustls_dist_input, have in common.

-record(link, {dhandle :: erlang:dist_handle(),
               socket :: inet:socket(),
               controller :: pid(),
               tls :: rustls_dist_handshake:tls(),
               hibernate_after :: timeout(),                   % of the ssl option of that name
               turn :: rustls_dist_turn:turn()}).

%% How long the first exit reason of a link is waited for.
-define(DEATH_ROW_MS, 5000).

%% Messages that wait are not copied by each garbage collection, and binaries that are done with are let go by the next one.
-define(SPAWN_OPTIONS, [link, {message_queue_data, off_heap}, {fullsweep_after, 0}]).
