%% Nodes of OTP 27 beside those of the release that runs the tests: for clusters of mixed releases.
%%
%% The release comes out of the Debian 13 folder that .ci/otp27 makes. A node that is started this way sees that
%% folder's /usr, in a mount namespace of its own, and otherwise the files of everybody else under the same names: the
%% application as it was built, certificates, and its log.
-module(rustls_dist_otp27).

-export([available/0, exec/1, exec/2]).

%% `true', or why there can be no such node: for a suite to skip with.
-spec available() -> true | {skip, string()}.
available() ->
    Erl = filename:join(usr(), "bin/erl"),
    case {erlang:system_info(otp_release), filelib:is_regular(Erl), os:cmd("id -u")} of
        {"27", _, _} -> {skip, "this is OTP 27 already"};
        {_, false, _} -> {skip, "there is no " ++ Erl ++ "; make test-otp27 makes it"};
        {_, true, "0\n"} -> true;
        {_, true, _} -> {skip, "a mount namespace needs root"}
    end.

%% Writes the command that starts erl of OTP 27, and gives its path: the option `exec' of rustls_dist_cluster:start/2.
-spec exec(rustls_dist_cluster:cluster()) -> file:filename().
exec(Cluster) ->
    exec(Cluster, "erl").

%% The same for another program of that folder.
-spec exec(rustls_dist_cluster:cluster(), string()) -> file:filename().
exec(Cluster, Program) ->
    File = filename:join(rustls_dist_cluster:dir(Cluster), Program ++ "_of_debian13"),
    ok = file:write_file(File, ["#!/bin/sh\nexec unshare --mount --propagation private sh -c '",
                                "mount --bind ", usr(), " /usr && exec /usr/bin/", Program, " \"$@\"' ", Program, " \"$@\"\n"]),
    ok = file:change_mode(File, 8#700),
    File.

usr() ->
    filename:join([os:getenv("RUSTLS_DIST_CACHE", "/var/cache/rustls_dist"), "debian13", "usr"]).
