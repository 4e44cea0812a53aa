raise SystemExit("a skill's script was run")
