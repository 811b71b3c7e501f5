%% Nodes of other OTP releases beside those of the release that runs the tests: for clusters of mixed releases.
%%
%% A release comes out of the Debian folder that .ci/otp makes. A node that is started this way sees that folder's /usr, in a
%% mount namespace of its own, and otherwise the files of everybody else under the same names: certificates, and its log.
%% No release loads all that an older one compiled: each runs what its own compiler makes of the sources.
-module(rustls_dist_other_otp).

-export([available/1, prepare/2, program/3]).

-export_type([release/0]).

-type release() :: 27 | 29.

%% `true', or why there can be no such node: for a suite to skip with.
-spec available(release()) -> true | {skip, string()}.
available(Release) ->
    Erl = filename:join(usr(Release), "bin/erl"),
    Number = integer_to_list(Release),
    case {erlang:system_info(otp_release), filelib:is_regular(Erl), os:cmd("id -u")} of
        {Number, _, _} -> {skip, "this is OTP " ++ Number ++ " already"};
        {_, false, _} -> {skip, "there is no " ++ Erl ++ "; make test-otp" ++ Number ++ " makes it"};
        {_, true, "0\n"} -> true;
        {_, true, _} -> {skip, "a mount namespace needs root"}
    end.

%% Compiles the application and the helpers with the release's compiler, and writes the command that starts its erl. Gives
%% options for rustls_dist_cluster:start/2.
-spec prepare(rustls_dist_cluster:cluster(), release()) -> map().
prepare(Cluster, Release) ->
    Dir = filename:join(rustls_dist_cluster:dir(Cluster), "otp" ++ integer_to_list(Release)),
    App = filename:join(Dir, "rustls_dist"),
    [Erl, Erlc] = [command(filename:join(Dir, Program), usr(Release), Program) || Program <- ["erl", "erlc"]],
    Ebin = compiled(Erlc, "erl_src", filename:join(App, "ebin")),
    Helpers = compiled(Erlc, "test/support", filename:join(Dir, "helpers")),
    Built = filename:dirname(rustls_dist_cluster:ebin()),
    ok = file:make_symlink(filename:join(Built, "priv"), filename:join(App, "priv")),
    #{exec => Erl, ebin => Ebin, helpers => Helpers}.

%% Writes the command that starts another program of the release's folder, and gives its path.
-spec program(rustls_dist_cluster:cluster(), release(), string()) -> file:filename().
program(Cluster, Release, Program) ->
    File = filename:join(rustls_dist_cluster:dir(Cluster), lists:concat([Program, "_beside_otp", Release])),
    command(File, usr(Release), Program).

command(File, Usr, Program) ->
    ok = filelib:ensure_dir(File),
    ok = file:write_file(File, ["#!/bin/sh\nexec unshare --mount --propagation private sh -c '",
                                "mount --bind ", Usr, " /usr && exec /usr/bin/", Program, " \"$@\"' ", Program, " \"$@\"\n"]),
    ok = file:change_mode(File, 8#700),
    File.

%% The modules below a folder of the checkout, which is found from where this module was compiled.
compiled(Erlc, Below, Ebin) ->
    Source = proplists:get_value(source, ?MODULE:module_info(compile)),
    Checkout = filename:dirname(filename:dirname(filename:dirname(Source))),
    ok = filelib:ensure_path(Ebin),
    Said = os:cmd(lists:concat(["find ", filename:join(Checkout, Below), " -name '*.erl' -exec ", Erlc, " -I ",
                                filename:join(Checkout, "erl_src"), " -o ", Ebin, " {} + && printf compiled"])),
    case lists:suffix("compiled", Said) of
        true -> Ebin;
        false -> error({does_not_compile, Below, Said})
    end.

usr(Release) ->
    filename:join([os:getenv("RUSTLS_DIST_CACHE", "/var/cache/rustls_dist"), folder(Release), "usr"]).

%% As .ci/debian names them.
folder(27) -> "debian13";
folder(29) -> "debian-sid".
