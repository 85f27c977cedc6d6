"""`python -m hulak`: the command line."""

from hulak import main

if __name__ == "__main__":
    main()
