%% What the distribution handshake is made of and dist_util has for itself alone: flags, challenges, and digests that prove a
%% cookie (erts' distribution protocol).
%%
%% @private
-module(rustls_dist_protocol).

-export([own_flags/0, missing/2, with_digest/1, challenge/0, digest/2]).

-include_lib("kernel/include/dist.hrl").

%% As in kernel's dist_util.
-record(erts_dflags, {default, mandatory, addable, rejectable, strict_order}).

%% What this release can do, and what it requires of a peer (kernel's dist.hrl).
-spec own_flags() -> {Flags :: non_neg_integer(), Mandatory :: non_neg_integer()}.
own_flags() ->
    #erts_dflags{default = Default, mandatory = Mandatory} = erts_internal:get_dflags(),
    {Default, Mandatory}.

%% The flags that a peer means: from OTP 25 on one of them stands for those that every release has.
-spec with_digest(non_neg_integer()) -> non_neg_integer().
with_digest(Flags) when Flags band ?DFLAG_MANDATORY_25_DIGEST =/= 0 -> Flags bor ?MANDATORY_DFLAGS_25;
with_digest(Flags) -> Flags.

%% What is required and not there; bits, since names of flags are dist_util's own.
-spec missing(Mandatory :: non_neg_integer(), Flags :: non_neg_integer()) -> [string()].
missing(Mandatory, Flags) ->
    [lists:flatten(io_lib:format("the distribution flag 16#~.16B", [1 bsl Bit]))
     || Bit <- lists:seq(0, 63), (Mandatory band bnot Flags) band (1 bsl Bit) =/= 0].

%% What nobody can foresee, as dist_util makes it.
-spec challenge() -> 0..16#ffffffff.
challenge() ->
    <<Challenge:32, _/binary>> = erlang:md5(term_to_binary({make_ref(), erlang:monotonic_time(), erlang:unique_integer(),
                                                            erlang:statistics(reductions), erlang:statistics(io)})),
    Challenge.

%% As in the distribution handshake.
-spec digest(0..16#ffffffff, atom()) -> binary().
digest(Challenge, Cookie) ->
    erlang:md5([atom_to_list(Cookie), integer_to_list(Challenge)]).
