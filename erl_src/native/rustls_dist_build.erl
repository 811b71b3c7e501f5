%% Which Rust library this node has loaded: what is shown to people and to monitoring.
%%
%% @private
-module(rustls_dist_build).

-export([facts/0]).

-export_type([facts/0]).

-type facts() :: #{version := binary(), provider := rustls_dist_nif:provider(), otp := binary()}.

%% Its version, its crypto provider, and the OTP release that it runs on; `none' before it is loaded.
-spec facts() -> facts() | none.
facts() ->
    try
        #{version => rustls_dist_nif:version(), provider => rustls_dist_nif:provider(),
          otp => list_to_binary(erlang:system_info(otp_release))}
    catch
        error:not_loaded -> none
    end.
