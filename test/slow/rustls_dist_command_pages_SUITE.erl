%% doc/command.md and doc/operations.md show what the command prints.
-module(rustls_dist_command_pages_SUITE).

-include_lib("stdlib/include/assert.hrl").

-export([all/0, suite/0]).
-export([pages/1]).

suite() ->
    [{timetrap, {minutes, 2}}].

all() ->
    [pages].

%% They are made on OTP 25: later releases have less to say of later ones.
pages(_Config) ->
    case rustls_dist_release:clients_verify() of
        true ->
            {skip, "the pages show what OTP 25 says"};
        false ->
            Dir = string:trim(os:cmd("mktemp -d /tmp/rustls_dist.XXXXXX")),
            try
                [begin
                     {ok, Shown} = file:read_file(rustls_dist_documents:path(filename:basename(Page))),
                     Made = unicode:characters_to_binary([": made by make operations -->\n", Text, "<!-- end of ", Mark]),
                     ?assertMatch({_, {_, _}}, {Made, binary:match(Shown, Made)})
                 end || {Page, Mark, Text} <- rustls_dist_command_pages:pieces(rustls_dist_broken_setups:world(Dir))],
                ?assertEqual(10, length([Setup || #{shown := _} = Setup <- rustls_dist_broken_setups:all()]))
            after
                file:del_dir_r(Dir)
            end
    end.
