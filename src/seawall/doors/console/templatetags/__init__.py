"""What the pages' templates can say beside what Django gives them."""
