%% Which of the ready-made verify_funs a user's function is. They are known by their names: the carrier's module, which exports
%% them for users, is above all that judges.
%%
%% @private
-module(rustls_dist_ready_made).

-export([which/1]).

%% Which one Fun is, if any.
-spec which(function()) -> verify_pinned | verify_client | none.
which(Fun) ->
    case [Value || Item <- [type, module, name, arity], {_Item, Value} <- [erlang:fun_info(Fun, Item)]] of
        [external, rustls_dist, verify_pinned, 3] -> verify_pinned;
        [external, rustls_dist, verify_client, 3] -> verify_client;
        %% OTP's, which wants to be told what it cannot know here (inet_tls_dist).
        [external, inet_tls_dist, verify_client, 3] -> verify_client;
        _ -> none
    end.
