# An agent that comes up.
{
  hyperhive.allowedBash = [ "echo *" ];
}
