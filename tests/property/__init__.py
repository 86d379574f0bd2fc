"""Laws, tried on thousands of made-up histories."""
