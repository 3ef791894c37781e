# An agent that is built, and does not come up: a server that it needs is not there.
{
  environment.etc."hyperhive-test".text = "another system";
  hyperhive = {
    allowedBash = [
      "echo *"
      "id"
    ];
    extraMcpServers.gone.command = "/no/such/program";
    healthTimeout = 60;
  };
}
