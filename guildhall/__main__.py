from guildhall.cli.main import main

main()
