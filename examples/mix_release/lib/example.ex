defmodule Example do
  @moduledoc "What the example is asked from outside."

  @doc "The nodes this one has a link with, each with the TLS version of the link."
  @spec links() :: [{node(), atom()}]
  def links do
    for {node, %{version: version}} <- :rustls_dist.info(), do: {node, version}
  end
end
