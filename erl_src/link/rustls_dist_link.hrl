%% What the two processes of a link that is up, rustls_dist_controller and rustls_dist_input, have in common.

-record(link, {dhandle :: erlang:dist_handle(),
               socket :: inet:socket(),
               controller :: pid(),
               tls :: rustls_dist_handshake:tls(),
               hibernate_after :: timeout(),                   % of the ssl option of that name
               turn :: rustls_dist_turn:turn()}).

%% How long the first exit reason of a link is waited for.
-define(DEATH_ROW_MS, 5000).

%% Packets wait as messages, or behind references in them: neither is to be copied into a heap, or kept there.
-define(SPAWN_OPTIONS, [link, {message_queue_data, off_heap}, {fullsweep_after, 0}]).
