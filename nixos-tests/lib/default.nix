# What the tests share; each is given it as `hyperhive`.
{
  lib,
  previous ? null,
}:
{
  # The release before. While there is none, this one in other store paths.
  previous =
    if previous == null then
      ./other_paths.nix
    else
      {
        disabledModules = [ ../../module.nix ];
        imports = [ previous.nixosModules.default ];
      };

  # A machine that runs hyperhive with these options, and a scripted model.
  machine = options: {
    imports = [ ./machine.nix ];
    services.hyperhive = options;
  };

  # A test script: `hive` is the command line on the machine, see hive.py.
  script = text: ''
    ${lib.readFile ./hive.py}

    hive = Hive(machine)
    ${text}
  '';
}
