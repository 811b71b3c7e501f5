%% Where the Rust library is.
%%
%% @private
-module(rustls_dist_library).

-export([path/0]).

%% The path without its ending, as erlang:load_nif/2 wants it: in the priv folder beside this module's ebin, so that it
%% is found the same way in a release, in _build, and under a bare -pa. Neither the application's name in the code
%% server nor the file server can be relied on when distribution starts.
-spec path() -> file:filename().
path() ->
    Ebin = case code:which(?MODULE) of
               File when is_list(File) -> filename:dirname(File);
               _ -> "."
           end,
    filename:join([Ebin, "..", "priv", "rustls_dist_nif"]).
