"""What `nervure init` writes."""

SETTINGS_TEMPLATE = """\
# Nervure's settings. Secrets are never written here: { env = "NAME" } or { file = "PATH" }.

[hub]
database = "sqlite:///nervure.db"            # or "postgresql://user@host/name"
port = 8765
# callback_url = "https://hub.example.com"   # where platforms reach this hub; without it orders are polled only
# api_token = { env = "NERVURE_API_TOKEN" }  # needed as soon as others can reach the port
# items = "items.csv"                        # sku,title,gtin,components ("PART:2 OTHER:1" makes a kit)
# opening_stock = "opening_stock.csv"        # sku,location,units: taken once

[[locations]]
code = "WAREHOUSE"
name = "Warehouse"
kind = "warehouse"                           # warehouse, store, supplier, third_party
address = { country = "FR", postal_code = "69007", city = "Lyon" }
coordinates = { latitude = 45.74, longitude = 4.84 }
time_zone = "Europe/Paris"

[[locations]]
code = "STORE"
name = "Store"
kind = "store"
address = { country = "FR", postal_code = "75004", city = "Paris" }
coordinates = { latitude = 48.86, longitude = 2.36 }
time_zone = "Europe/Paris"
can_pickup = true

# [[channels]]
# name = "webshop"
# platform = "shopify"
# url = "https://your-shop.myshopify.com"
# access_token = { env = "SHOPIFY_TOKEN" }
# webhook_secrets = [{ env = "SHOPIFY_SECRET" }]
# stock_points = { "gid://shopify/Location/1" = ["WAREHOUSE", "STORE"] }
# buffer_units = 0

# [[channels]]
# name = "boutique"
# platform = "prestashop"
# url = "https://shop.example.com"
# key = { env = "PRESTASHOP_KEY" }
# id_shop = 1
# time_zone = "Europe/Paris"
# stock_points = { "1" = ["WAREHOUSE"] }
# order_poll_seconds = 5

# [[channels]]
# name = "marketplace"
# platform = "mirakl"
# url = "https://operator.example.com"
# api_key = { env = "MIRAKL_KEY" }
# stock_points = { account = ["WAREHOUSE"] }
# buffer = "earned"                          # units kept back from it: worked out for each sku
# earned = { cancellation_cost = 12.00, margin = "30 %" }

# [[channels]]
# name = "tills"
# platform = "square"
# url = "https://connect.squareup.com"
# access_token = { env = "SQUARE_TOKEN" }
# webhook_secrets = [{ env = "SQUARE_SIGNATURE_KEY" }]
# stock_points = { LOCATIONID = ["STORE"] }
"""
