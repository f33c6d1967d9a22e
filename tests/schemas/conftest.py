from tests.nervure import profile

profile.load()
