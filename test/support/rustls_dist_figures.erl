%% Figures that suites leave for the pages of `doc/': rows of terms in a file for each set, in the folder that RUSTLS_DIST_FIGURES
%% names. Without it nothing is kept.
-module(rustls_dist_figures).

-export([leave/2, left/1]).

%% One row more.
-spec leave(atom(), map()) -> ok.
leave(Set, Row) ->
    case os:getenv("RUSTLS_DIST_FIGURES") of
        false -> ok;
        Dir -> file:write_file(file(Dir, Set), io_lib:format("~0p.~n", [Row]), [append])
    end.

%% All rows.
-spec left(atom()) -> [map()].
left(Set) ->
    {ok, Rows} = file:consult(file(os:getenv("RUSTLS_DIST_FIGURES"), Set)),
    Rows.

file(Dir, Set) ->
    filename:join(Dir, Set).
