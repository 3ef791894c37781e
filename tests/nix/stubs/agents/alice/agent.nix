{ hyperhive.allowedBash = [ "git status" ]; }
