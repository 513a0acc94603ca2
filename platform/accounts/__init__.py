"""People, projects, roles, and what each role may do."""
