%% Rust's question about a peer's certificates, asked in the middle of a TLS handshake, and the answer to it.
%%
%% The answer is worked out in a process that lives for this one question and acts for the owner of the handshake, the judge: a
%% verify_fun that hangs or kills its process can then be ended, and the alert still be sent, within the deadline.
%%
%% @private
-module(rustls_dist_verdict).

-export([reach/4, again/4]).

%% The answer for Rust to its question about Chain (DER, the peer's first), on which webpki said Webpki, within TimeoutMs.
-spec reach(rustls_dist_verify:policy(), [public_key:der_encoded(), ...], ok | {error, rustls_dist_nif:error_map()},
              timeout()) -> ok | {Alert :: byte(), binary()}.
reach(Policy, Chain, Webpki, TimeoutMs) ->
    case decided(Policy, Chain, Webpki, TimeoutMs, "net_setuptime") of
        ok -> ok;
        {_NotOk, Alert, Text} -> {Alert, Text}
    end.

%% The same of a peer whose link is up, where what could not be told is no refusal.
-spec again(rustls_dist_verify:policy(), [public_key:der_encoded(), ...], ok | {error, rustls_dist_nif:error_map()},
            pos_integer()) -> ok | {refused | undecided, binary()}.
again(Policy, Chain, Webpki, TimeoutMs) ->
    case decided(Policy, Chain, Webpki, TimeoutMs, io_lib:format("~b s", [TimeoutMs div 1000])) of
        ok -> ok;
        {Kind, _Alert, Text} -> {Kind, Text}
    end.

%% Limit: what TimeoutMs is called.
decided(Policy, Chain, Webpki, TimeoutMs, Limit) ->
    Owner = self(),
    {Pid, Ref} = spawn_monitor(fun() -> exit({verdict, answer_to(rustls_dist_verify:judge(Policy, Chain, Webpki))}) end),
    _ = spawn(fun() -> end_with_owner(Pid, Owner) end),
    receive
        {'DOWN', Ref, process, Pid, {verdict, Answer}} -> Answer;
        {'DOWN', Ref, process, Pid, {crl_source, Module, Function, Reason}} ->
            undecided("the source of revocation lists ~ts failed in ~ts: ~0tP", [Module, Function, Reason, 8]);
        {'DOWN', Ref, process, Pid, Reason} -> broken(Policy, "ended its process with ~0tP", [Reason, 8])
    after TimeoutMs ->
        exit(Pid, kill),
        receive {'DOWN', Ref, process, Pid, _} -> ok end,
        broken(Policy, "did not return within ~ts", [Limit])
    end.

%% For Rust. A text that cannot be made is the judging process' failure, not this one's.
answer_to(ok) ->
    ok;
answer_to({Kind, Alert, Reason}) ->
    Text = unicode:characters_to_binary(Reason),
    true = is_binary(Text),
    {Kind, Alert, Text}.

%% The judge's watchdog: the owner may be ended at any time, and a function that hangs would stay behind.
end_with_owner(Judge, Owner) ->
    JudgeRef = monitor(process, Judge),
    OwnerRef = monitor(process, Owner),
    receive
        {'DOWN', JudgeRef, process, Judge, _} -> ok;
        {'DOWN', OwnerRef, process, Owner, _} -> exit(Judge, kill)
    end.

%% With both, it cannot be told from here whose fault it was.
broken(#{verify_fun := VerifyFun, crl := Crl}, Format, Arguments) ->
    Who = case {VerifyFun, Crl} of
              {{_Fun, _State, Label}, off} -> ["verify_fun ", Label];
              {{_Fun, _State, Label}, _} -> ["verify_fun ", Label, ", or a source of revocation lists,"];
              {none, _} -> "the verification"
          end,
    undecided("~ts " ++ Format, [Who | Arguments]).

undecided(Format, Arguments) ->
    {undecided, rustls_dist_alert:code(certificate_unknown), unicode:characters_to_binary(io_lib:format(Format, Arguments))}.
