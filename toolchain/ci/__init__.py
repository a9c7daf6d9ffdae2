"""What continuous integration shows: the plan of an environment as a comment that a reviewer can read in a minute."""
