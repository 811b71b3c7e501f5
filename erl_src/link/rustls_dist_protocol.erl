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

%% The flags that are required and not there, as dist_util calls them.
-spec missing(Mandatory :: non_neg_integer(), Flags :: non_neg_integer()) -> [string()].
missing(Mandatory, Flags) ->
    [name(1 bsl Bit) || Bit <- lists:seq(0, 63), (Mandatory band bnot Flags) band (1 bsl Bit) =/= 0].

%% Those that OTP 25 to 29 require.
name(?DFLAG_EXTENDED_REFERENCES) -> "EXTENDED_REFERENCES";
name(?DFLAG_FUN_TAGS) -> "FUN_TAGS";
name(?DFLAG_NEW_FUN_TAGS) -> "NEW_FUN_TAGS";
name(?DFLAG_EXTENDED_PIDS_PORTS) -> "EXTENDED_PIDS_PORTS";
name(?DFLAG_EXPORT_PTR_TAG) -> "EXPORT_PTR_TAG";
name(?DFLAG_BIT_BINARIES) -> "BIT_BINARIES";
name(?DFLAG_NEW_FLOATS) -> "NEW_FLOATS";
name(?DFLAG_UTF8_ATOMS) -> "UTF8_ATOMS";
name(?DFLAG_MAP_TAG) -> "MAP_TAG";
name(?DFLAG_BIG_CREATION) -> "BIG_CREATION";
name(?DFLAG_HANDSHAKE_23) -> "HANDSHAKE_23";
name(?DFLAG_UNLINK_ID) -> "UNLINK_ID";
name(?DFLAG_MANDATORY_25_DIGEST) -> "MANDATORY_25_DIGEST";
name(?DFLAG_V4_NC) -> "V4_NC";
name(Other) -> "the flag 16#" ++ integer_to_list(Other, 16).

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
