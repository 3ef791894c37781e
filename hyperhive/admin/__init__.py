"""The operator's surface for programs: `admin.sock`, its verbs and its client."""
