def run(page, environments, plain):
    return []
