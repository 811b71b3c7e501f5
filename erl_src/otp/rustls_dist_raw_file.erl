%% Reads a file whole, within a bound, without OTP's file server: certificates are judged while a node boots, too, and
%% then it is not there yet.
%%
%% @private
-module(rustls_dist_raw_file).

-export([read/2]).

%% At most MaxBytes are read.
%% Errors: those of file:open/2 and file:read/2; `too_large'.
-spec read(file:filename_all(), pos_integer()) -> {ok, binary()} | {error, file:posix() | too_large | badarg | term()}.
read(File, MaxBytes) ->
    case file:open(File, [read, raw, binary]) of
        {ok, Device} ->
            try
                bounded(file:read(Device, MaxBytes + 1), MaxBytes)
            after
                file:close(Device)
            end;
        {error, _} = Error ->
            Error
    end.

bounded({ok, Bytes}, MaxBytes) when byte_size(Bytes) > MaxBytes -> {error, too_large};
bounded({ok, Bytes}, _MaxBytes) -> {ok, Bytes};
bounded(eof, _MaxBytes) -> {ok, <<>>};
bounded({error, _} = Error, _MaxBytes) -> Error.
