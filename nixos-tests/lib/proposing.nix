# Options of a manager that changes its clone of alice's configuration and asks for what it committed.
{
  manager = {
    autoStart = true;
    allowedBash = [
      "git -C agents/alice commit -a -m wished"
      "git -C agents/alice show-ref --dereference"
      "git -C agents/alice tag -n9"
    ];
  };
  agents.alice.module = ./agents/sound.nix;
}
