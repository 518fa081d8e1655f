"""What the shop's owner wants to know in the evening."""

from inventory import Inventory


def count_items(inventory):
    count = 0
    for item in inventory.items:
        count += item.quantity
    return count


def names_of_items(inventory):
    names = []
    for item in inventory.items:
        names.append(item.name)
    return names


def main():
    inventory = Inventory()
    inventory.add("apple", 0.5, 100)
    inventory.add("pear", 0.75, 40)
    print("items:", count_items(inventory))
    print("names:", names_of_items(inventory))
    print("value:", value_of_items(inventory))


if __name__ == "__main__":
    main()
