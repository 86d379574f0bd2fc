"""What ``make bench`` runs: figures as ratios against a plain baseline in the same run."""
