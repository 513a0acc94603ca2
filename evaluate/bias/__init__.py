"""How biased a judge or a policy is: what runs found, and the pages that show it."""
