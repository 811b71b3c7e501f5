%% The tables of doc/options.md that are printed from what the carrier itself says about an option.
-module(rustls_dist_option_tables).

-export([markdown/0, print/0]).

-spec markdown() -> unicode:chardata().
markdown() ->
    Names = lists:sort(rustls_dist_opt_table:names()),
    ["| option | why it has no meaning here |\n|---|---|\n",
     [["| `", atom_to_list(Name), "` | ", Why, " |\n"]
      || Name <- Names, {_Shape, Why} <- [rustls_dist_opt_table:no_meaning(Name)]],
     "\n| option | values that ask for nothing | what to do instead |\n|---|---|---|\n",
     [["| `", atom_to_list(Name), "` | ", lists:join(", ", [io_lib:format("`~0p`", [Value]) || Value <- Harmless]), " | ",
       Instead, " |\n"]
      || Name <- Names, {Harmless, Instead} <- [rustls_dist_opt_table:refused(Name)]]].

%% For `make options'.
-spec print() -> ok.
print() ->
    io:put_chars(markdown()).
