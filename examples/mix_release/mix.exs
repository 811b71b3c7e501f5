defmodule Example.MixProject do
  use Mix.Project

  # RUSTLS_DIST_GIT names another repository to take rustls_dist from: a mirror, or a checkout (file:///...).
  @repository System.get_env("RUSTLS_DIST_GIT", "https://github.com/rustls-dist/rustls_dist")

  def project do
    [
      app: :example,
      version: "0.1.0",
      elixir: "~> 1.14",
      deps: [
        # It is compiled by rebar3, which calls cargo; both are needed where this is compiled, not where it runs.
        {:rustls_dist, git: @repository, branch: "main", manager: :rebar3}
      ],
      releases: [example: [include_executables_for: [:unix], strip_beams: true]]
    ]
  end

  def application do
    [extra_applications: [:logger]]
  end
end
