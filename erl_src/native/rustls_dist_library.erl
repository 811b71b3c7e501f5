%% Where the Rust library is, and which one it is.
%%
%% @private
-module(rustls_dist_library).

-export([path/0, build/0]).

-export_type([build/0]).

-type build() :: #{version := binary(), provider := rustls_dist_nif:provider(), otp := binary()}.

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

%% Its version, its crypto provider, and the OTP release that it runs on; `none' before it is loaded.
-spec build() -> build() | none.
build() ->
    try
        #{version => rustls_dist_nif:version(), provider => rustls_dist_nif:provider(),
          otp => list_to_binary(erlang:system_info(otp_release))}
    catch
        error:not_loaded -> none
    end.
