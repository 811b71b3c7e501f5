%% The forms in which a private key can lie in memory.
-module(rustls_dist_key_forms).

-export([file/1, computed/1]).

-include_lib("public_key/include/public_key.hrl").

%% What of a key goes into a search.
-define(PIECE_BYTES, 32).

%% The forms that it has on its way from the file: lines, and the numbers as they stand in it.
-spec file(file:filename()) -> [{Form :: term(), binary()}].
file(File) ->
    {ok, Pem} = file:read_file(File),
    [Entry] = public_key:pem_decode(Pem),
    Numbers = [{Name, binary:encode_unsigned(Number)} || {Name, Number} <- numbers(public_key:pem_entry_decode(Entry))],
    [_Begin | Lines] = lists:droplast(binary:split(Pem, <<"\n">>, [global, trim_all])),
    [{pem_line, last(Line)} || Line <- Lines, is_secret(base64:decode(Line), Numbers)]
        ++ [{Name, first(Number)} || {Name, Number} <- Numbers].

%% Some lines have nothing but what the certificate says as well.
is_secret(Line, Numbers) ->
    lists:any(fun({_Name, Number}) -> binary:match(Number, chunks(Line)) =/= nomatch end, Numbers).

chunks(<<Chunk:8/binary, Rest/binary>>) -> [Chunk | chunks(Rest)];
chunks(_Rest) -> [].

last(Bytes) ->
    binary:part(Bytes, byte_size(Bytes), -min(?PIECE_BYTES, byte_size(Bytes))).

%% Those that a provider computes with: numbers with their lowest byte first, Montgomery's form (a number times 2^n, modulo
%% the group's order), the two halves of Ed25519's digest (RFC 8032 section 5.1.5).
-spec computed(file:filename()) -> [{Form :: term(), binary()}].
computed(File) ->
    {ok, Pem} = file:read_file(File),
    [Entry] = public_key:pem_decode(Pem),
    case public_key:pem_entry_decode(Entry) of
        #'ECPrivateKey'{privateKey = Seed, parameters = {namedCurve, ?'id-Ed25519'}} ->
            <<Scalar:32/binary, Prefix:32/binary>> = crypto:hash(sha512, Seed),
            [{prefix, Prefix}, {scalar, binary:part(Scalar, 1, 30)}];
        #'ECPrivateKey'{privateKey = Scalar, parameters = {namedCurve, Curve}} ->
            {Bits, Order} = order(Curve),
            Number = binary:decode_unsigned(Scalar),
            [{limbs, first(<<Number:Bits/little>>)},
             {montgomery, first(<<((Number bsl Bits) rem Order):Bits/little>>)}];
        #'RSAPrivateKey'{} = Key ->
            [{{limbs, Name}, first(binary:encode_unsigned(Number, little))} || {Name, Number} <- numbers(Key)]
    end.

numbers(#'RSAPrivateKey'{privateExponent = D, prime1 = P, prime2 = Q, exponent1 = Dp, exponent2 = Dq, coefficient = C}) ->
    [{d, D}, {p, P}, {q, Q}, {dp, Dp}, {dq, Dq}, {coefficient, C}];
numbers(#'ECPrivateKey'{privateKey = Scalar}) ->
    [{scalar, binary:decode_unsigned(Scalar)}].

first(Bytes) ->
    binary:part(Bytes, 0, min(?PIECE_BYTES, byte_size(Bytes))).

%% SEC 2 version 2, sections 2.4.2 and 2.5.1.
order(?secp256r1) ->
    {256, 16#FFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551};
order(?secp384r1) ->
    {384, 16#FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFC7634D81F4372DDF581A0DB248B0A77AECEC196ACCC52973}.
