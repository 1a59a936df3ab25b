"""How the steps connect, and the command line that runs, compiles and inspects them."""
