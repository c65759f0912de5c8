"""The way to the server: requests, the login, and answers kept within bounds."""
